<?php
// ?chunks=N&delay=ms: N lines, each flushed on its own, with a pause between them.
$chunks = (int) ($_GET['chunks'] ?? 3);
$delay = (int) ($_GET['delay'] ?? 0);
header('Content-Type: text/plain');
for ($i = 0; $i < $chunks; $i++) {
    if ($i > 0) {
        usleep($delay * 1000);
    }
    echo "chunk $i\n";
    flush();
}
