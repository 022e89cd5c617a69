#!/bin/bash
# com.sun.net.httpserver.HttpServer.stop(delay), Java 17: "The method will then block until all current exchange handlers have completed or
# else when approximately delay seconds have elapsed (whichever happens sooner)."
# Expected of a shutdown hook with stop(30), which gives requests in flight up to 30 s: an idle server is stopped at once.
# Seen (OpenJDK 17.0.15): with a request in flight stop() returns when that one has its answer; with none, idle or with a kept connection, it
# sleeps for the whole delay. So the quiet copy, which every drain wants to have, is the one that takes longest, and meets the 10 s of
# `docker stop` or a supervisor's KILL. It is the server behind metrics ports (Prometheus' HTTPServer, JMX exporter) and `jwebserver`.
# Cure: count exchanges yourself, and call stop(0) when there is none.
# Needs java 17 with its compiler. Exit 0: it is as described.
set -u
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
cd "$T" || exit 2
java -version 2>&1 | grep 'version "17' || { echo "no java 17"; exit 2; }
cat >Stop.java <<'J'
import com.sun.net.httpserver.HttpServer;
import java.net.*;
import java.util.concurrent.*;

public class Stop {
  static final int DELAY = 6;

  /** How long stop(DELAY) takes, in ms: with nothing, after an answer on a kept connection, or 1 s before an answer. */
  static long stop(String state) throws Exception {
    var server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    var reached = new CountDownLatch(1);
    server.setExecutor(Executors.newCachedThreadPool());
    server.createContext("/", exchange -> {
      reached.countDown();
      try { Thread.sleep(state.equals("busy") ? 1000 : 0); } catch (InterruptedException error) { throw new RuntimeException(error); }
      exchange.sendResponseHeaders(200, 2);
      exchange.getResponseBody().write("ok".getBytes());
      exchange.close();
    });
    server.start();
    var url = new URL("http://127.0.0.1:" + server.getAddress().getPort() + "/");
    Callable<String> ask = () -> new String(url.openConnection().getInputStream().readAllBytes());
    Future<String> answer = CompletableFuture.completedFuture("none asked for");
    if (state.equals("kept")) answer = CompletableFuture.completedFuture(ask.call());
    if (state.equals("busy")) { answer = Executors.newSingleThreadExecutor().submit(ask); reached.await(); }
    long began = System.nanoTime();
    server.stop(DELAY);
    long took = (System.nanoTime() - began) / 1_000_000;
    System.out.printf("%s: stop(%d) took %d ms; answer: %s%n", state, DELAY, took, answer.get(5, TimeUnit.SECONDS));
    return took;
  }

  public static void main(String[] arguments) throws Exception {
    long idle = stop("idle"), kept = stop("kept"), busy = stop("busy"), whole = DELAY * 1000 - 100;
    System.exit(idle > whole && kept > whole && busy < whole - 1000 ? 0 : 1);
  }
}
J
timeout 120 java Stop.java
