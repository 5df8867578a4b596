// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// Vulns reads what govulncheck -format json says and prints it. It fails if a package that is imported from a
// dependency has a known vulnerability. It only prints vulnerabilities of the toolchain, which another version of Go
// fixes, and vulnerabilities in packages that are not imported.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	in := json.NewDecoder(os.Stdin)
	said, scanned, failed := map[string]bool{}, false, false
	for {
		var message struct {
			SBOM    *struct{} `json:"SBOM"` // comes once the packages are loaded
			Finding *struct {
				OSV          string `json:"osv"`
				FixedVersion string `json:"fixed_version"`
				Trace        []struct{ Module, Version, Package string }
			}
		}
		if err := in.Decode(&message); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			log.Fatalf("read what govulncheck says: %v", err)
		}
		scanned = scanned || message.SBOM != nil
		f := message.Finding
		if f == nil || len(f.Trace) == 0 {
			continue
		}
		at := f.Trace[0]
		key := f.OSV
		if at.Module != "stdlib" {
			key += at.Package
		}
		if said[key] {
			continue
		}
		said[key] = true
		what := "not imported"
		switch {
		case at.Module == "stdlib":
			what = "toolchain"
		case at.Package != "":
			what, failed = "FAILS", true
		}
		fmt.Printf("%s: %s in %s %s, fixed in %s: https://pkg.go.dev/vuln/%s\n", what, f.OSV, cmp.Or(at.Package, at.Module), at.Version, cmp.Or(f.FixedVersion, "no version"), f.OSV)
	}
	switch {
	case !scanned:
		log.Fatal("govulncheck has scanned nothing")
	case failed:
		log.Fatal("a dependency has a known vulnerability: take a later version of it")
	}
}
