<?php
// The application on php-fpm. "/bytes" and the like are of REQUEST_URI.
header("Content-Type: text/plain");
switch ($_SERVER["REQUEST_URI"]) {
    case "/drain":
        $length = 0;
        $input = fopen("php://input", "rb");
        while (!feof($input)) {
            $length += strlen(fread($input, 65536));
        }
        echo $length, "\n";
        break;
    case "/echo":
        stream_copy_to_stream(fopen("php://input", "rb"), fopen("php://output", "wb"));
        break;
    case "/bytes":
        echo substr(str_repeat("abcdefghijklmnopqrstuvwxyz", 40330), 0, 1048576);
        break;
    default:
        echo "Hello, world!\n";
}
