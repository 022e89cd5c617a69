#!/bin/bash
# RFC 9110, 9.2.2: a client should not repeat a request whose method is not idempotent by itself, unless it knows that it was not applied.
# A server that ends may close a kept connection just when a request has come: it has read a POST, and never answers it.
# Expected: the client's caller gets an error and decides; the server, or the next one behind the same address, sees that POST once.
# Seen: curl 7.88.1 and libcurl 8.16 (pycurl 7.45.7), HttpURLConnection of Java 17, OkHttp 4.12.0 and async-http-client 3.0.2 send it again on a new connection, without
# being asked to, and report 200: the POST is applied twice. wget 1.21.3 does so on new connections too, up to --tries=20 times.
# java.net.http, Apache HttpClient 5.5 and requests 2.32.5 report the error. So a drain that closes kept connections must say "Connection:
# close" in an answer before, and "all clients got 200" in a test of a restart is no proof that nothing was cut: count at the server.
# Needs apt-get (only "download"), python3 with venv, java 17 with its compiler, and mvn. Exit 0: it is as described.
set -u
T=$(mktemp -d); PIDS=
trap 'kill $PIDS 2>/dev/null; wait 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 2
{ apt-get -qq download wget=1.21.3-1+deb12u1 libpcre2-8-0 && for d in *.deb; do dpkg-deb -x "$d" root; done &&
  python3 -m venv v && v/bin/pip -q install requests==2.32.5 pycurl==7.45.7; } >log 2>&1 || { cat log; exit 2; }
cat >pom.xml <<'X'
<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId><artifactId>a</artifactId><version>1</version><dependencies>
<dependency><groupId>com.squareup.okhttp3</groupId><artifactId>okhttp</artifactId><version>4.12.0</version></dependency>
<dependency><groupId>org.asynchttpclient</groupId><artifactId>async-http-client</artifactId><version>3.0.2</version></dependency>
<dependency><groupId>org.apache.httpcomponents.client5</groupId><artifactId>httpclient5</artifactId><version>5.5</version></dependency>
</dependencies></project>
X
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >log 2>&1 || { tail -5 log; exit 2; }
cat >server.py <<'P'
import socket, threading

def serve(client):
    file = client.makefile("rwb")
    while line := file.readline():
        length = 0
        while (header := file.readline().lower()) not in (b"\r\n", b""):
            length = int(header.split(b":")[1]) if header.startswith(b"content-length") else length
        file.read(length)
        if line.startswith(b"POST"):
            posts.append(line)
            if len(posts) == 1:
                break
        file.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d" % (len(str(len(posts))), len(posts)))
        file.flush()
    file.close()
    client.close()

posts = []
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
P
cat >Clients.java <<'J'
import java.io.IOException; import java.net.*; import java.net.http.*; import okhttp3.*;
import org.apache.hc.client5.http.classic.methods.*; import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.core5.http.ClassicHttpResponse; import org.apache.hc.core5.http.io.entity.*;
public class Clients {
  interface Ask { int post(boolean post) throws Exception; }
  static int read(ClassicHttpResponse r) throws IOException { EntityUtils.consume(r.getEntity()); return r.getCode(); }
  public static void main(String[] a) throws Exception {
    String url = a[1]; var ok = new OkHttpClient(); var jdk = java.net.http.HttpClient.newHttpClient();
    var ahc = org.asynchttpclient.Dsl.asyncHttpClient(); var apache = HttpClients.createDefault();
    Ask ask = switch (a[0]) {
      case "HttpURLConnection" -> post -> {
        var c = (HttpURLConnection) new URL(url).openConnection();
        if (post) { c.setDoOutput(true); c.getOutputStream().write("pay=1".getBytes()); }
        int status = c.getResponseCode(); c.getInputStream().readAllBytes(); return status; };
      case "okhttp" -> post -> {
        var r = new Request.Builder().url(url); if (post) r.post(RequestBody.create("pay=1", MediaType.get("text/plain")));
        try (var answer = ok.newCall(r.build()).execute()) { answer.body().string(); return answer.code(); } };
      case "async-http-client" -> post -> (post ? ahc.preparePost(url).setBody("pay=1") : ahc.prepareGet(url)).execute().get().getStatusCode();
      case "httpclient5" -> post -> {
        if (!post) return apache.execute(new HttpGet(url), Clients::read);
        var p = new HttpPost(url); p.setEntity(new StringEntity("pay=1")); return apache.execute(p, Clients::read); };
      default -> post -> {
        var r = java.net.http.HttpRequest.newBuilder(URI.create(url)); if (post) r.POST(java.net.http.HttpRequest.BodyPublishers.ofString("pay=1"));
        return jdk.send(r.build(), java.net.http.HttpResponse.BodyHandlers.ofString()).statusCode(); }; };
    ask.post(false);
    try { System.out.println(ask.post(true)); } catch (Exception error) { System.out.println("error"); }
    System.exit(0);
  }
}
J
javac -nowarn -cp 'lib/*' Clients.java 2>log || { cat log; exit 2; }
cat >clients.py <<'P'
import io, sys
if sys.argv[1] == "requests":
    import requests
    session = requests.Session()
    session.get(sys.argv[2])
    try:
        print(session.post(sys.argv[2], data="pay=1").status_code)
    except requests.ConnectionError:
        print("error")
else:
    import pycurl
    curl, body = pycurl.Curl(), io.BytesIO()
    curl.setopt(curl.URL, sys.argv[2])
    curl.setopt(curl.WRITEDATA, body)
    curl.perform()
    curl.setopt(curl.POSTFIELDS, "pay=1")
    curl.perform()
    print(curl.getinfo(curl.RESPONSE_CODE))
P
wget() { timeout 30 root/usr/bin/wget -q -O /dev/null --post-data pay=1 "$1" && echo 200; }
bad=0
# check NAME WANTED COMMAND...: what the client reports, and how many POSTs the server has read
check() {
  local name=$1 wanted=$2 port said; shift 2
  exec 9< <(exec python3 server.py); PIDS=$!; read -r port <&9
  said=$("$@" "http://127.0.0.1:$port/" 2>>log)
  echo "$name: $said, POSTs read: $(timeout 5 v/bin/python -c "import requests; print(requests.get('http://127.0.0.1:$port/').text)")" | tee line
  kill "$PIDS"; exec 9<&-
  grep -q "$wanted$" line || bad=1
}
check "$(v/bin/python -c 'import pycurl; print(pycurl.version.split()[1])')" '200, POSTs read: 2' v/bin/python clients.py pycurl
check wget '200, POSTs read: 2' wget
for c in HttpURLConnection okhttp async-http-client; do check $c '200, POSTs read: 2' java -cp 'lib/*:.' Clients $c; done
for c in httpclient5 java.net.http; do check $c 'error, POSTs read: 1' java -cp 'lib/*:.' Clients $c; done
check requests 'error, POSTs read: 1' v/bin/python clients.py requests
exit $bad
