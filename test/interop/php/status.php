<?php
// ?code=N: a response with this status, and a body where the status allows one.
$code = (int) ($_GET['code'] ?? 200);
http_response_code($code);
header('Content-Type: text/plain');
if ($code !== 204 && $code !== 304) {
    echo "status $code\n";
}
