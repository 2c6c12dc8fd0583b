<?php
// Beside the files that everybody may see, as PHP applications have it. Nobody gets to read it.
return ['title' => 'A PHP site', 'password' => 'for the scripts only'];
