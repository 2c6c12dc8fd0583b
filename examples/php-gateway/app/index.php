<?php
// The front controller: every URL without a script or a file of its own ends here.
$site = require 'config.php';
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($path === '/') {
    $https = empty($_SERVER['HTTPS']) ? 'HTTP' : 'HTTPS';
    echo "<!doctype html>\n<link rel=\"stylesheet\" href=\"/style.css\">\n";
    echo "<h1>{$site['title']}</h1>\n<p>Hello from PHP ", PHP_VERSION, " over $https. <a href=\"/hello/you\">Hello to you</a></p>\n";
    return;
}

header('Content-Type: text/plain; charset=utf-8');
if (preg_match('~^/hello/([^/]+)$~', $path, $match)) {
    echo 'Hello ', rawurldecode($match[1]), ' from ', $_SERVER['REMOTE_ADDR'], "\n";
} else {
    http_response_code(404);
    echo "No such page\n";
}
