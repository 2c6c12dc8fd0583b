<?php
header('Content-Type: application/json');
echo json_encode(['text' => 'Hello ' . ($_GET['name'] ?? 'world') . ', says PHP ' . PHP_VERSION]);
