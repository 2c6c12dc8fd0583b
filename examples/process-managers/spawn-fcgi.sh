#!/bin/sh
# Starts two processes of the application, or restarts it without a lost request: the new ones get the path, then the old ones are
# told to close. As root, add the user and the group: -u app -g www-data.
set -e
old=$(cat /run/app/app.pid 2>/dev/null || true)
spawn-fcgi -s /run/app/next.sock -M 0660 -F 2 -P /run/app/app.pid -- /usr/bin/node /srv/app/app.js
mv /run/app/next.sock /run/app/app.sock
if [ -n "$old" ]; then kill -TERM $old; fi
