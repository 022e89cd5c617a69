// All that runs beside baton in a virtual machine of `make test-kernels`: process 1, the steps of the story in
// /story.json, a server, and clients. One static program, because there is nothing else in the machine but
// busybox, for modprobe. Each result is a line "@@ {JSON}" on the console.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	word := ""
	if len(os.Args) > 1 {
		word = os.Args[1]
	}
	switch word {
	case "serve":
		serve()
	case "story":
		story()
	default:
		beProcessOne()
	}
}

func beProcessOne() {
	for _, mount := range [][3]string{
		{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"devtmpfs", "/dev", "devtmpfs"},
		{"tmpfs", "/tmp", "tmpfs"}, {"tmpfs", "/run", "tmpfs"}, {"cgroup2", "/sys/fs/cgroup", "cgroup2"},
	} {
		if err := syscall.Mount(mount[0], mount[1], mount[2], 0, ""); err != nil {
			fmt.Println("mount", mount[1], err)
		}
	}
	os.Chmod("/tmp", 0o1777)
	if err := loopbackUp(); err != nil {
		fmt.Println("lo", err)
	}
	os.Setenv("PATH", "/bin:/sbin")
	os.Setenv("HOME", "/tmp")
	self := exec.Command("/proc/self/exe", "story")
	self.Stdout, self.Stderr = os.Stdout, os.Stderr
	if err := self.Start(); err != nil {
		fmt.Println("story", err)
	}
	// Orphans too. Nothing else here waits.
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if pid == self.Process.Pid || err == syscall.ECHILD {
			break
		}
	}
	syscall.Sync()
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}

// SIOCSIFFLAGS, netdevice(7).
func loopbackUp() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	var request [40]byte
	copy(request[:], "lo")
	*(*uint16)(unsafe.Pointer(&request[16])) = syscall.IFF_UP | syscall.IFF_RUNNING
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return errno
	}
	return nil
}

// Step is one line of the story; which fields count depends on Do.
type Step struct {
	ID      string   `json:"id"`
	Do      string   `json:"do"` // doctor, reloads, keep-alive, survive, write
	Baton   string   `json:"baton"`
	UID     uint32   `json:"uid"`
	Reloads int      `json:"reloads"`
	Options []string `json:"options"`
	Path    string   `json:"path"`
	Text    string   `json:"text"`
}

func story() {
	text, err := os.ReadFile("/story.json")
	var steps []Step
	if err == nil {
		err = json.Unmarshal(text, &steps)
	}
	if err != nil {
		fmt.Println("story.json", err)
		return
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	report("kernel", map[string]any{"release": strings.TrimSpace(string(kernel))})
	for i, step := range steps {
		started := time.Now()
		result := map[string]any{}
		switch step.Do {
		case "doctor":
			result = doctor(step)
		case "reloads", "keep-alive", "survive":
			result = service(step, 8100+i)
		case "write":
			if err := os.WriteFile(step.Path, []byte(step.Text), 0o644); err != nil {
				result["error"] = err.Error()
			}
		}
		result["seconds"] = int(time.Since(started).Seconds())
		report(step.ID, result)
	}
	report("end", map[string]any{})
}

func report(id string, result map[string]any) {
	result["id"] = id
	line, _ := json.Marshal(result)
	fmt.Printf("\n@@ %s\n", line)
}
