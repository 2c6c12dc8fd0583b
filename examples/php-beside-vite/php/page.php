<!doctype html>
<script type="module" src="/@vite/client"></script>
<title>A page by PHP</title>
<p id="greeting">Written by PHP for <?= htmlspecialchars($_SERVER['REMOTE_ADDR']) ?>.</p>
<script type="module" src="/main.ts"></script>
