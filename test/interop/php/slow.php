<?php
// ?ms=N: silent for so long, then an answer.
usleep((int) ($_GET['ms'] ?? 1000) * 1000);
header('Content-Type: text/plain');
echo "slow\n";
