<?php
// Which worker it was.
header('Content-Type: text/plain');
echo getmypid();
