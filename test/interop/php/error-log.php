<?php
// ?message=text: a line on FastCGI's STDERR. &fatal=1: an uncaught exception after it. &output=text: sent before both.
header('Content-Type: text/plain');
if (isset($_GET['output'])) {
    echo $_GET['output'];
    flush();
}
error_log($_GET['message'] ?? 'message from error-log.php');
if (!empty($_GET['fatal'])) {
    throw new RuntimeException('fatal in error-log.php');
}
echo "logged\n";
