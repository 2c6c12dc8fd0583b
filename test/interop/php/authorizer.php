<?php
// An Authorizer: PHP sends no Status with 200, and no body either.
header('Variable-FCGI_ROLE: ' . ($_SERVER['FCGI_ROLE'] ?? ''));
if (isset($_GET['fatal'])) {
    undefined_function();
}
if (($_SERVER['HTTP_AUTHORIZATION'] ?? '') !== 'secret') {
    http_response_code(401);
    header('WWW-Authenticate: Secret');
    echo 'Who are you? ', $_SERVER['REMOTE_ADDR'];
    exit;
}
$hidden = ['CONTENT_LENGTH', 'PATH_INFO', 'PATH_TRANSLATED', 'SCRIPT_NAME'];
header('Variable-HIDDEN: ' . implode(',', array_keys(array_intersect_key($_SERVER, array_flip($hidden)))));
header('Variable-BODY: ' . strlen(file_get_contents('php://input')));
header('Variable-AUTH_USER: alice');
echo 'Nobody reads this';
