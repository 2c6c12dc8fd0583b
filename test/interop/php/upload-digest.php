<?php
// Reads the request body in pieces: how long it was, its digest, and which length was announced.
$input = fopen('php://input', 'rb');
$hash = hash_init('sha256');
$bytes = 0;
while (!feof($input)) {
    $piece = fread($input, 65536);
    $bytes += strlen($piece);
    hash_update($hash, $piece);
}
header('Content-Type: application/json');
echo json_encode([
    'bytes' => $bytes,
    'sha256' => hash_final($hash),
    'contentLength' => $_SERVER['CONTENT_LENGTH'] ?? null,
]);
