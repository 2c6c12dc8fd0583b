#!/bin/sh
# Runs two processes of the application on one socket, and another in place of each that ends. Stays in the foreground. As root, add
# the user and the group: -u app -g www-data.
exec spawn-fcgi -s /run/app/app.sock -M 0660 -n -- /usr/bin/multiwatch -f 2 -s TERM -- /usr/bin/node /srv/app/app.js
