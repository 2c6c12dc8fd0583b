<?php
// $_SERVER as JSON. A value that is not UTF-8 is shown as {"hex": "..."}.
$show = fn ($value) => is_string($value) && !preg_match('//u', $value) ? ['hex' => bin2hex($value)] : $value;
header('Content-Type: application/json');
echo json_encode(array_map($show, $_SERVER), JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
