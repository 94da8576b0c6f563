package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// roles are those for all systems; TestMain adds the system's own.
var roles = map[string]func(args []string){
	"block":       roleBlock,
	"crash":       func([]string) { panic("boom") },
	"echo":        roleEcho,
	"environment": func(args []string) { fmt.Println(os.Getenv(args[0])) },
	"directory":   roleDirectory,
	"exit":        roleExit,
	"hard":        roleHard,
	"is-child":    func([]string) { fmt.Println(IsChild(), os.Getenv(markerKey) != "") },
	"lines":       roleLines,
	"long-line":   roleLongLine,
	"pass-on":     rolePassOn,
	"raw-mark":    func([]string) { fmt.Println(IsChild(), os.Getenv(markerKey) != "") },
	"raw-pass-on": rolePassOn,
}

// roleBlock says "ready" and stays.
func roleBlock([]string) {
	fmt.Println("ready")
	select {}
}

// roleEcho answers every line that it reads from its first file on stdout.
func roleEcho([]string) {
	in := bufio.NewScanner(os.NewFile(ChildFile(0), "questions"))
	for in.Scan() {
		fmt.Println(in.Text())
	}
}

func roleDirectory([]string) {
	dir, err := os.Getwd()
	fail(err)
	fmt.Println(dir)
}

func roleExit(args []string) {
	code, err := strconv.Atoi(args[0])
	fail(err)
	os.Exit(code)
}

// roleHard tries HardenChild again.
func roleHard([]string) {
	child, err := HardenChild()
	fmt.Println(child, err)
}

// roleLines writes args[0] numbered lines to stdout and to stderr, and at last half a line.
func roleLines(args []string) {
	n, err := strconv.Atoi(args[0])
	fail(err)
	for i := range n {
		fmt.Printf("out %d\n", i)
		fmt.Fprintf(os.Stderr, "err %d\n", i)
	}
	fmt.Print("out end")
	fmt.Fprint(os.Stderr, "err end")
}

// roleLongLine writes a line of args[0] bytes, and one more.
func roleLongLine(args []string) {
	n, err := strconv.Atoi(args[0])
	fail(err)
	os.Stdout.Write(append(bytes.Repeat([]byte{'x'}, n), "\nshort\n"...))
}

// rolePassOn starts this program in the role args[0] the way that user code does,
// with all of its environment, and says what that one says.
func rolePassOn(args []string) {
	cmd := exec.Command(os.Args[0], args[1:]...)
	cmd.Env = append(os.Environ(), roleEnv+"="+args[0])
	out, err := cmd.Output()
	fail(err)
	fmt.Println(strings.TrimSpace(string(out)))
}
