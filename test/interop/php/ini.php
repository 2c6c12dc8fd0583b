<?php
// Settings of php.ini, named by "names", as JSON; "set" tries to change them first.
header('Content-Type: application/json');
$names = explode(',', $_GET['names']);
if (isset($_GET['set'])) {
    foreach ($names as $name) {
        ini_set($name, $_GET['set']);
    }
}
echo json_encode(array_combine($names, array_map('ini_get', $names)), JSON_INVALID_UTF8_SUBSTITUTE);
