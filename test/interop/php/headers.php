<?php
// ?header[]=Name: value&...&body=text: sends these headers, none of them in the place of another, and the text.
header_remove('X-Powered-By');
foreach ($_GET['header'] ?? [] as $header) {
    header($header, false);
}
echo $_GET['body'] ?? '';
