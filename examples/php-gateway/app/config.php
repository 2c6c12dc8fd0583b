<?php
// In the folder of the public files, as PHP applications have it. No request shows its source.
return ['title' => 'A PHP site', 'password' => 'for the scripts only'];
