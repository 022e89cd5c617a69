package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Each is a bound for an emulated processor on a busy machine, not what it takes.
const (
	commandLimit = 120 * time.Second
	serveLimit   = 120 * time.Second
	moveLimit    = 20 * time.Second
)

const clientCount = 4
const logTail = 600

type Service struct {
	step   Step
	port   int
	folder string
	log    *os.File
	run    *exec.Cmd
	ended  chan error
	// No reload has moved fewer connections than there are.
	moves bool
}

func (s *Service) command(limit time.Duration, words ...string) (string, int) {
	context, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(context, s.step.Baton, words...)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.step.UID, Gid: s.step.UID}}
	output := &bytes.Buffer{}
	command.Stdout, command.Stderr = output, output
	err := command.Run()
	if command.ProcessState == nil {
		return fmt.Sprint(err), -1
	}
	return output.String(), command.ProcessState.ExitCode()
}

func doctor(step Step) map[string]any {
	text, status := (&Service{step: step}).command(commandLimit, "doctor", "--json")
	var found map[string]any
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		return map[string]any{"status": status, "error": text}
	}
	return map[string]any{"status": status, "doctor": found}
}

func (s *Service) start(options ...string) error {
	words := append([]string{"run", "--runtime-dir", s.folder, "--name", "web"}, options...)
	s.run = exec.Command(s.step.Baton, append(words, "--", "/bin/guest", "serve")...)
	s.run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.step.UID, Gid: s.step.UID}}
	s.run.Env = append(os.Environ(), fmt.Sprintf("PORT=%d", s.port))
	s.run.Stdout, s.run.Stderr = s.log, s.log
	if err := s.run.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	run := s.run
	go func() { ended <- run.Wait() }()
	s.ended = ended
	return nil
}

// Until it answers, or baton has ended.
func (s *Service) awaitServer() error {
	for until := time.Now().Add(serveLimit); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if _, err := s.get(s.port, "/"); err == nil {
			return nil
		}
		select {
		case err := <-s.ended:
			return fmt.Errorf("baton run has ended: %v", err)
		default:
		}
	}
	return fmt.Errorf("the server does not answer")
}

func (s *Service) get(port int, path string) (string, error) {
	client := http.Client{Timeout: answerLimit, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", port, path))
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", body)
	}
	return string(body), err
}

func (s *Service) tail() string {
	text, _ := os.ReadFile(s.log.Name())
	return lastOf(string(text), logTail)
}

func lastOf(text string, length int) string {
	if len(text) > length {
		return text[len(text)-length:]
	}
	return text
}

func service(step Step, port int) map[string]any {
	s := &Service{step: step, port: port, folder: fmt.Sprintf("/tmp/%d", port), moves: true}
	os.Mkdir(s.folder, 0o700)
	os.Chown(s.folder, int(step.UID), int(step.UID))
	s.log, _ = os.Create(s.folder + ".log")
	result := map[string]any{}
	if err := s.tell(result); err != nil {
		result["error"] = err.Error()
		result["log"] = s.tail()
	}
	return result
}

func (s *Service) tell(result map[string]any) error {
	keep := s.step.Do == "keep-alive"
	options := map[string][]string{"keep-alive": {"--keep-alive", "migrate"}, "survive": {"--survive"}}[s.step.Do]
	if err := s.start(append(options, s.step.Options...)...); err != nil {
		return err
	}
	defer func() {
		s.run.Process.Kill()
	}()
	if err := s.awaitServer(); err != nil {
		return err
	}
	clients := startClients(s.port, clientCount, keep, 5*time.Millisecond)
	err := s.reload(clients, result)
	if err == nil && s.step.Do == "survive" {
		err = s.survive(clients, result)
	}
	for name, value := range clients.end() {
		result[name] = value
	}
	if err != nil {
		return err
	}
	if text, status := s.command(commandLimit, "stop", "--runtime-dir", s.folder, "--name", "web"); status != 0 {
		return fmt.Errorf("stop: status %d: %s", status, text)
	}
	select {
	case err = <-s.ended:
		return err
	case <-time.After(commandLimit):
		return fmt.Errorf("baton run does not end")
	}
}

// What the switch did is in the answers after it.
func awaitAnswers(clients *Clients) error {
	before, _ := clients.soFar()
	for until := time.Now().Add(serveLimit); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if answers, _ := clients.soFar(); answers >= before+10*clientCount {
			return nil
		}
	}
	return fmt.Errorf("the clients get no answers")
}

// Old kernels move none, and that is in the result.
func awaitMoves(clients *Clients, wanted int) {
	for until := time.Now().Add(moveLimit); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if _, moved := clients.soFar(); moved >= wanted {
			return
		}
	}
}

// Addresses that baton steers.
func (s *Service) listeners() []string {
	text, _ := s.command(commandLimit, "status", "--json", "--runtime-dir", s.folder, "--name", "web")
	var status struct {
		Listeners []struct{ Address string }
	}
	json.Unmarshal([]byte(text), &status)
	addresses := []string{}
	for _, listener := range status.Listeners {
		addresses = append(addresses, listener.Address)
	}
	return addresses
}

func (s *Service) reload(clients *Clients, result map[string]any) error {
	times := []int64{}
	for i := 0; i < s.step.Reloads; i++ {
		started := time.Now()
		text, status := s.command(commandLimit, "reload", "--runtime-dir", s.folder, "--name", "web")
		times = append(times, time.Since(started).Milliseconds())
		if status != 0 {
			return fmt.Errorf("reload: status %d: %s", status, text)
		}
		if err := awaitAnswers(clients); err != nil {
			return err
		}
		if s.step.Do == "keep-alive" {
			awaitMoves(clients, (i+1)*clientCount)
		}
	}
	result["reloadMs"] = times
	return nil
}

// kill -9 of baton, and another one that goes on: it is no ancestor of the server.
func (s *Service) survive(clients *Clients, result map[string]any) error {
	s.run.Process.Kill()
	<-s.ended
	if err := s.start("--survive"); err != nil {
		return err
	}
	for until := time.Now().Add(serveLimit); ; time.Sleep(100 * time.Millisecond) {
		if _, status := s.command(commandLimit, "status", "--runtime-dir", s.folder, "--name", "web"); status == 0 {
			break
		}
		if time.Now().After(until) {
			return fmt.Errorf("no baton after the kill")
		}
		select {
		case <-s.ended:
			// Its own limits are for processors that are not emulated. A service manager would do the same.
			if err := s.start("--survive"); err != nil {
				return err
			}
		default:
		}
	}
	late, err := s.get(s.port, fmt.Sprintf("/late?port=%d", s.port+500))
	if err != nil {
		late = err.Error()
	}
	result["late"] = late
	result["listeners"] = s.listeners()
	err = s.reload(clients, result)
	result["log"] = s.tail()
	return err
}
