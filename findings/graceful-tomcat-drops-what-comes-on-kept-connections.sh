#!/bin/bash
# Spring Boot's server.shutdown=graceful (the default since 3.4): at SIGTERM the server "will stop accepting new requests at the network
# layer", and requests in flight are finished, for spring.lifecycle.timeout-per-shutdown-phase (30 s by default).
# Expected of a connection that is kept open between two requests: it is closed at once (Go, nginx, hyper), or its next answer says
# "Connection: close" (puma, HAProxy).
# Seen with Boot 3.5.7 and its Tomcat 10.1: while one slow request runs, silent connections stay open, as if they were welcome. Tomcat
# reads the next request on each and closes the connection without an answer. So each client that keeps a connection loses one
# request, a second after the signal too, unless it repeats it; a server that closes at once loses only those sent in that moment.
# Needs mvn, a JDK 17 and python3; Maven's local repository gets Boot. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
mkdir -p "$T/src/main/java/x" && cd "$T"
cat >pom.xml <<'P'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<parent><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-parent</artifactId><version>3.5.7</version>
<relativePath/></parent><groupId>x</groupId><artifactId>app</artifactId><version>1</version>
<dependencies><dependency><groupId>org.springframework.boot</groupId><artifactId>spring-boot-starter-web</artifactId></dependency>
</dependencies><build><plugins><plugin><groupId>org.springframework.boot</groupId><artifactId>spring-boot-maven-plugin</artifactId>
</plugin></plugins></build></project>
P
cat >src/main/java/x/App.java <<'J'
package x;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.*;
@SpringBootApplication @RestController public class App {
  public static void main(String[] words) { SpringApplication.run(App.class, words); }
  @GetMapping("/") String root() { return "ok"; }
  @GetMapping("/slow") String slow() throws InterruptedException { Thread.sleep(4000); return "ok"; }
}
J
mvn -q -B package >log 2>&1 || { tail -20 log; exit 2; }
python3 - <<'P'
import re, signal, socket, subprocess, sys

server = subprocess.Popen(["java", "-jar", "target/app-1.jar", "--server.port=0", "--server.address=127.0.0.1"],
                          stdout=subprocess.PIPE, text=True)
for line in server.stdout:
    if found := re.search(r"Tomcat started on port (\d+)", line):
        port = int(found[1])
        break


def ask(link, path="/"):
    link.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())


def answer(link):
    try:
        return link.recv(4096).split(b"\r\n")[0].decode() or "closed without an answer"
    except ConnectionResetError:
        return "reset"


kept = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(3)]
for link in kept:
    ask(link)
    assert answer(link).startswith("HTTP/1.1 200")
slow = socket.create_connection(("127.0.0.1", port), 30)
ask(slow, "/slow")
signal.sigtimedwait([], 1)
server.send_signal(signal.SIGTERM)
signal.sigtimedwait([], 1)
kept[0].settimeout(0.2)
try:
    silent = "closed" if kept[0].recv(1) == b"" else "answered"
except TimeoutError:
    silent = "open"
print("a silent connection, 1 s after SIGTERM:", silent)
seen = []
for link in kept[1:]:
    ask(link)
    seen.append(answer(link))
    print("the next request on a kept connection:", seen[-1])
finished = answer(slow)
print("the slow request:", finished)
server.communicate()
lost = all(one in ("closed without an answer", "reset") for one in seen)
sys.exit(0 if silent == "open" and lost and finished.startswith("HTTP/1.1 200") else 1)
P
