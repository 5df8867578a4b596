// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Tour draws a part of the tour's output as docs/img/tour.svg, for light and dark pages:
//
//	go run docs/img/tour.go
package main

import (
	"encoding/xml"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
)

const style = `text { font: 13px ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; fill: #1a1916; white-space: pre }
.head { fill: #2253bd; font-weight: 600 } .dim { fill: #69665d } rect { fill: #fbfbf9; stroke: #e7e6e1 }
@media (prefers-color-scheme: dark) { text { fill: #edece7 } .head { fill: #8db0ff } .dim { fill: #98958b } rect { fill: #141412; stroke: #2a2925 } }`

func main() {
	out, err := exec.Command("go", "run", "./examples/tour").Output()
	if err != nil {
		log.Fatal(err)
	}
	_, part, ok := strings.Cut(string(out), "2  A to-do list\n")
	part, _, end := strings.Cut(part, "  A write on condition")
	if !ok || !end {
		log.Fatal("the tour's output has changed: it has no section \"A to-do list\"")
	}
	lines := strings.Split(strings.TrimRight(part, "\n "), "\n")[1:] // without the rule below the title
	var svg strings.Builder
	fmt.Fprintf(&svg, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 %d" role="img" aria-label="What the tour prints">`+"\n<style>%s</style>\n", 18*len(lines)+52, style)
	fmt.Fprintf(&svg, `<rect x="0.5" y="0.5" width="799" height="%d" rx="6"/>`+"\n", 18*len(lines)+51)
	draw := func(line int, class, text string) {
		fmt.Fprintf(&svg, `<text x="16" y="%d" class="%s" xml:space="preserve">`, 28+18*line, class)
		if err := xml.EscapeText(&svg, []byte(text)); err != nil {
			log.Fatal(err)
		}
		svg.WriteString("</text>\n")
	}
	draw(0, "dim", "$ go run ./examples/tour")
	for i, line := range lines {
		class := ""
		if head := strings.TrimSpace(line); head != "" && head == strings.ToUpper(head) {
			class = "head"
		}
		draw(i+1, class, strings.TrimPrefix(line, "  "))
	}
	svg.WriteString("</svg>\n")
	if err := os.WriteFile("docs/img/tour.svg", []byte(svg.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}
