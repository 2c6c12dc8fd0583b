<?php
// ?bytes=N: N bytes in pieces of 64 KiB, byte i is (i * 31 + 7) % 251 as in test/support/pattern.ts.
// &length=1: with a Content-Length.
$total = (int) ($_GET['bytes'] ?? 0);
header('Content-Type: application/octet-stream');
if (!empty($_GET['length'])) {
    header("Content-Length: $total");
}

$period = '';
for ($i = 0; $i < 251; $i++) {
    $period .= chr(($i * 31 + 7) % 251);
}
$pattern = str_repeat($period, intdiv(65536, 251) + 2);
for ($sent = 0; $sent < $total; $sent += 65536) {
    echo substr($pattern, $sent % 251, min(65536, $total - $sent));
}
