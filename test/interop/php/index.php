<?php
// A front controller: every URI may end here. Says how PHP saw the request.
$value = fn (string $name) => $_SERVER[$name] ?? null;
header('Content-Type: application/json');
echo json_encode([
    'method' => $value('REQUEST_METHOD'),
    'requestUri' => $value('REQUEST_URI'),
    'scriptName' => $value('SCRIPT_NAME'),
    'pathInfo' => $value('PATH_INFO'),
    'queryString' => $value('QUERY_STRING'),
], JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
