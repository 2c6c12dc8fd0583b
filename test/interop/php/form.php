<?php
// The fields of an urlencoded or multipart form. With ?files=1 its files too: {"fields": ..., "files": ...}.
header('Content-Type: application/json');
$fields = (object) $_POST;
if (empty($_GET['files'])) {
    exit(json_encode($fields));
}
$files = array_map(fn (array $file) => [
    'name' => $file['name'],
    'type' => $file['type'],
    'error' => $file['error'],
    'bytes' => $file['size'],
    'sha256' => $file['error'] === UPLOAD_ERR_OK ? hash_file('sha256', $file['tmp_name']) : null,
], $_FILES);
echo json_encode(['fields' => $fields, 'files' => (object) $files]);
