<?php
// The site as it was before anything moved.
header('Content-Type: text/plain; charset=utf-8');
switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/health':
        echo "ok, says PHP\n";
        break;
    case '/version':
        header('Content-Type: application/json');
        echo json_encode(['version' => '1.0.0', 'runtime' => 'PHP ' . PHP_VERSION]);
        break;
    case '/':
        echo "Welcome, says PHP\n";
        break;
    case '/guestbook':
        echo 'Thank you, ', $_POST['name'] ?? 'stranger', "\n";
        break;
    default:
        http_response_code(404);
        echo "PHP knows no such page\n";
}
