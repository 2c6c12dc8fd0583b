<?php
// The application of README.md on PHP.
$path = strtok($_SERVER['REQUEST_URI'], '?');
if ($path === '/redirect') {
    header('Location: http://elsewhere.test/?x=1');
    exit;
}
$isBinary = in_array($path, ['/echo', '/collect', '/endless'], true);
header('Content-Type: ' . ($isBinary ? 'application/octet-stream' : 'text/plain'));
switch ($path) {
    case '/params':
        foreach ($_SERVER as $name => $value) {
            if (is_string($value)) {
                echo "$name=$value\0";
            }
        }
        break;
    case '/echo':
        $input = fopen('php://input', 'rb');
        while (!feof($input)) {
            echo fread($input, 65536);
            flush();
        }
        break;
    case '/collect':
        echo file_get_contents('php://input');
        break;
    case '/endless':
        // PHP ends a script when it can't write.
        while (true) {
            echo str_repeat("\0", 65536);
        }
    case '/drip':
        for ($i = 0; true; $i++) {
            echo "piece $i\n";
            flush();
            usleep(20000);
        }
    case '/status':
        http_response_code((int) $_SERVER['QUERY_STRING']);
        echo "status {$_SERVER['QUERY_STRING']}\n";
        break;
    case '/die':
        echo "partial\n";
        flush();
        while (!file_exists($_SERVER['QUERY_STRING'])) {
            usleep(10000);
            clearstatcache();
        }
        // The posix extension is a package of its own in some distributions.
        function_exists('posix_kill') ? posix_kill(getmypid(), 9) : exec('kill -9 ' . getmypid());
        sleep(10);
        break;
    case '/stderr':
        error_log('a message for the log');
        // no break
    default:
        echo "hello from PHP\n";
        if ($path === '/exit') {
            exit(3);
        }
}
