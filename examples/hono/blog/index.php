<?php
// Every URL below /blog/ ends here.
$path = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$post = substr($path, strlen('/blog/'));
header('Content-Type: text/html; charset=utf-8');
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    http_response_code(303);
    header('Location: /blog/' . rawurlencode($_POST['title'] ?? 'untitled'));
    exit;
}
?>
<h1><?= $post === '' ? 'The blog' : htmlspecialchars($post) ?></h1>
<p>Written by PHP <?= PHP_VERSION ?> for <?= $_SERVER['REMOTE_ADDR'] ?>.</p>
<form method="post" action="/blog/"><input name="title" placeholder="Title"><button>Write</button></form>
