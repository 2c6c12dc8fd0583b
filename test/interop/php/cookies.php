<?php
// Header lines that repeat. The cookies that came in are the body.
setcookie('first', '1');
setcookie('second', 'two words', ['path' => '/', 'httponly' => true]);
setcookie('third', '3', ['expires' => 1893456000, 'samesite' => 'Lax']);
header('X-Repeated: one');
header('X-Repeated: two', false);
header('Content-Type: application/json');
echo json_encode((object) $_COOKIE);
