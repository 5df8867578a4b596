// SPDX-License-Identifier: Apache-2.0

package figures

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// valueBytes is about how many bytes a value has. The fact then takes some 420 as JSON.
const valueBytes = 200

var words = []string{"account", "review", "quarter", "report", "invoice", "shipment", "meeting", "contract", "budget", "customer"}

// titles are seeded, so that every run writes the same.
var titles = sync.OnceValue(func() []string {
	r := rand.New(rand.NewPCG(1, 1))
	all := make([]string, 1<<15)
	for n := range all {
		var text strings.Builder
		for text.Len() < valueBytes-100 {
			text.WriteString(words[r.IntN(len(words))])
			text.WriteByte(' ')
		}
		all[n] = text.String()[:valueBytes-100]
	}
	return all
})

// Value returns the n-th value that benchmarks write. Values differ as an app's do: equal ones would compress as no log does.
func Value(n int) []byte {
	all := titles()
	return fmt.Appendf(nil, `{"amount":%d.%02d,"owner":"user-%06d@accounts.example.org","priority":%d,"status":"open","title":"%s"}`,
		10+n%9990, n%100, n*7919%1_000_000, 1+n%5, all[n%len(all)])
}
