<?php
header('Content-Type: text/plain');
echo 'hello from PHP ', PHP_VERSION, "\n";
