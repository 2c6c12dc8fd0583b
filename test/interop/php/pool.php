<?php
// What a request of a crowd asks: which worker it was, what it was told, and what came with it.
usleep((int) ($_GET['us'] ?? 0));
header('Content-Type: application/json');
echo json_encode(['pid' => getmypid(), 'n' => $_GET['n'] ?? null, 'body' => file_get_contents('php://input')]);
