/** A server of one line, for any user: the perl of the base system, which needs no file. */
const CODE =
  'my $s = IO::Socket::INET->new(LocalAddr => shift, Listen => 5, ReuseAddr => 1) or die "$@";' +
  "while (my $c = $s->accept) { sysread $c, my $b, 4096;" +
  'print $c "HTTP/1.0 200 OK\\r\\n\\r\\n$ENV{RELEASE} $ARGV[0]"; close $c }';

/** The words of a server that answers with $RELEASE and the word behind these. */
export function perlServer(port: number): string[] {
  return ["/usr/bin/perl", "-MIO::Socket::INET", "-e", CODE, `127.0.0.1:${port}`];
}
