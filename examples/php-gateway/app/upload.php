<?php
// A script with a URL of its own.
header('Content-Type: text/plain; charset=utf-8');
$body = fopen('php://input', 'rb');
$hash = hash_init('sha256');
echo hash_update_stream($hash, $body), ' bytes, SHA-256 ', hash_final($hash), "\n";
