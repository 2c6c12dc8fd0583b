<?php
// The front controller: every URL ends here.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: text/plain; charset=utf-8');

if ($path === '/') {
    echo 'Hello from PHP ', PHP_VERSION, ' over ', empty($_SERVER['HTTPS']) ? 'HTTP' : 'HTTPS', "\n";
} elseif (preg_match('~^/hello/([^/]+)$~', $path, $match)) {
    echo 'Hello ', rawurldecode($match[1]), ' from ', $_SERVER['REMOTE_ADDR'], "\n";
} elseif ($path === '/upload' && $_SERVER['REQUEST_METHOD'] === 'POST') {
    $body = fopen('php://input', 'rb');
    $hash = hash_init('sha256');
    echo hash_update_stream($hash, $body), ' bytes, SHA-256 ', hash_final($hash), "\n";
} else {
    http_response_code(404);
    echo "No such page\n";
}
