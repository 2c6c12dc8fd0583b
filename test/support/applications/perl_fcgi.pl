# The application of README.md on Perl's FCGI. perl perl_fcgi.pl ADDRESS (:port or /path) WORKERS
use strict;
use warnings;
use FCGI;
use IO::Handle;

my ($address, $wanted) = @ARGV;
$SIG{PIPE} = 'IGNORE';
my $listener = FCGI::OpenSocket($address, 128);
my %workers;

sub serve {
    my ($in, $out, $err) = (IO::Handle->new, IO::Handle->new, IO::Handle->new);
    my %env;
    my $request = FCGI::Request($in, $out, $err, \%env, $listener, FCGI::FAIL_ACCEPT_ON_INTR);
    my $header = sub { print {$out} "Content-Type: $_[0]\r\n\r\n" };
    my %routes = (
        '/params' => sub {
            $header->('text/plain');
            print {$out} "$_=$env{$_}\0" for keys %env;
        },
        '/echo' => sub {
            $header->('application/octet-stream');
            while (read($in, my $piece, 65536)) { print {$out} $piece or last }
        },
        '/collect' => sub {
            my $body = '';
            while (read($in, my $piece, 65536)) { $body .= $piece }
            $header->('application/octet-stream');
            print {$out} $body;
        },
        '/endless' => sub {
            $header->('application/octet-stream');
            my $piece = "\0" x 65536;
            1 while print {$out} $piece;
        },
        '/drip' => sub {
            $header->('text/plain');
            # Flushes, and tells whether that could be done.
            local $| = 1;
            for (my $i = 0; print {$out} "piece $i\n"; $i++) { select undef, undef, undef, 0.02 }
        },
        '/status' => sub {
            print {$out} "Status: $env{QUERY_STRING}\r\nContent-Type: text/plain\r\n\r\nstatus $env{QUERY_STRING}\n";
        },
        '/redirect' => sub { print {$out} "Location: http://elsewhere.test/?x=1\r\n\r\n" },
        '/stderr' => sub {
            print {$err} "a message for the log\n";
            $header->('text/plain');
            print {$out} "hello from Perl\n";
        },
        '/headerless' => sub { print {$out} "no header at all\n" },
        '/die' => sub {
            $header->('text/plain');
            print {$out} "partial\n";
            $request->Flush;
            select undef, undef, undef, 0.01 until -e $env{QUERY_STRING};
            kill 'KILL', $$;
        },
    );
    while ($request->Accept >= 0) {
        my ($path) = $env{REQUEST_URI} =~ /^([^?]*)/;
        my $answer = $routes{$path} // sub {
            $header->('text/plain');
            print {$out} "hello from Perl\n";
        };
        $answer->();
    }
}

sub start_worker {
    my $pid = fork;
    if ($pid) {
        $workers{$pid} = 1;
        return;
    }
    $SIG{TERM} = 'DEFAULT';
    serve();
    exit;
}

$SIG{TERM} = sub { kill 'KILL', keys %workers; exit };
start_worker() for 1 .. $wanted;
while ((my $dead = wait) > 0) {
    delete $workers{$dead};
    start_worker();
}
