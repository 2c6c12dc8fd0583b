<?php
// ?file=F: stores the request body as F, as a script does that trusts it, and notes each start in F.log.
$file = $_GET['file'];
file_put_contents("$file.log", $_SERVER['REQUEST_METHOD'] . ' ' . ($_SERVER['CONTENT_LENGTH'] ?? '-') . "\n", FILE_APPEND);
$bytes = file_put_contents($file, file_get_contents('php://input'));
header('Content-Type: text/plain');
echo "stored $bytes";
