<?php
// ?directory=D&chunks=N: waits for the file D/0, sends "chunk 0\n", waits for D/1 and so on; D/all stands for them all.
// &length=L announces that many bytes, whatever comes. The header goes with the first chunk: PHP does not flush one alone.
// D/started is there from the start on and D/sent-0 when the chunk 0 is sent, both with the process id; D/end at last, and says
// whether its client stayed to the end. See gate.ts.
$directory = $_GET['directory'];
$chunks = (int) ($_GET['chunks'] ?? 1);
$tell = function (string $name, string $text) use ($directory): void {
    // Renamed, so that the test never reads half of it.
    file_put_contents("$directory/$name.tmp", $text);
    rename("$directory/$name.tmp", "$directory/$name");
};
register_shutdown_function(fn () => $tell('end', connection_aborted() ? 'aborted' : 'complete'));
$tell('started', (string) getmypid());
header('Content-Type: text/plain');
if (isset($_GET['length'])) {
    header('Content-Length: ' . $_GET['length']);
}
for ($i = 0; $i < $chunks; $i++) {
    $deadline = microtime(true) + 60;
    do {
        usleep(5000);
        clearstatcache();
        if (microtime(true) > $deadline) {
            exit;
        }
    } while (!file_exists("$directory/$i") && !file_exists("$directory/all"));
    echo "chunk $i\n";
    flush();
    $tell("sent-$i", (string) getmypid());
}
