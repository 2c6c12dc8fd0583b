<?php
// ?to=URL: a client redirect; PHP makes the status 302 of the Location header.
header('Location: ' . ($_GET['to'] ?? 'http://example.test/elsewhere?x=1'));
