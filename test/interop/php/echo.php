<?php
// Sends the request body back while it arrives. Only with enable_post_data_reading off: PHP collects it first otherwise.
header('Content-Type: application/octet-stream');
$input = fopen('php://input', 'rb');
while (!feof($input)) {
    echo fread($input, 65536);
    flush();
}
