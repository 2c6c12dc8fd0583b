#!/bin/sh
# The program that mod_fcgid and lighttpd start. It gets the listening socket as descriptor 0.
#
#   await serve({ fd: 0, fetch: app.fetch });
exec /usr/bin/node /srv/app/app.js
