<?php
// The worker dies in the middle of its body; with ?output=0 before it has sent anything.
if (($_GET['output'] ?? '1') !== '0') {
    header('Content-Type: text/plain');
    echo "partial\n";
    flush();
}
// The posix extension is a package of its own in some distributions.
if (function_exists('posix_kill')) {
    posix_kill(getmypid(), 9);
} else {
    exec('kill -9 ' . getmypid());
}
sleep(10);
