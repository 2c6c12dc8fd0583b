<?php
// Every URL below /blog ends here.
$path = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
$post = trim(substr($path, strlen('/blog')), '/');
setcookie('visited', $post === '' ? 'blog' : $post, ['path' => '/blog']);
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    header('Location: /blog/' . rawurlencode($_POST['title'] ?? 'untitled'), true, 303);
    exit;
}
header('Content-Type: text/html; charset=utf-8');
?>
<h1><?= $post === '' ? 'The blog' : htmlspecialchars($post) ?></h1>
<p>Written by PHP <?= PHP_VERSION ?> for <?= htmlspecialchars($_SERVER['REMOTE_ADDR']) ?>.</p>
<form method="post" action="/blog/"><input name="title" placeholder="Title"><button>Write</button></form>
