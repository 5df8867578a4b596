// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/igniter-store/igniter/backend"
	"github.com/igniter-store/igniter/companion"
	"github.com/igniter-store/igniter/companion/companiontest"
)

func testShop(t *testing.T) (*shop, *companiontest.Clock) {
	t.Helper()
	s, clock := companiontest.New(t, companion.Options{})
	h, err := open(s)
	require.NoError(t, err)
	_, err = h.prices.Put(t.Context(), "lamp", 40)
	require.NoError(t, err)
	return h, clock
}

func TestPay(t *testing.T) {
	h, _ := testShop(t)
	id, err := h.order(t.Context(), "lamp", 2)
	require.NoError(t, err)
	require.NoError(t, h.pay(t.Context(), id))
	require.ErrorIs(t, h.pay(t.Context(), id), errPaid)

	invoice, err := h.invoices.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "2 × lamp: 80", invoice.Value)
	lineage, err := h.store.Lineage(invoice.ID)
	require.NoError(t, err)
	require.NoError(t, h.store.VerifyLineage(lineage))
}

// A correction of an older price is the latest fact and not the price that is valid now.
func TestOrderAfterCorrection(t *testing.T) {
	h, clock := testShop(t)
	require.NoError(t, h.correct(t.Context(), "lamp", 38, clock.Now().Add(-time.Hour)))
	id, err := h.order(t.Context(), "lamp", 1)
	require.NoError(t, err)
	order, err := h.orders.Get(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 40, order.Value.Price)
}

// Two desks take the payment of one order: one of them wins.
func TestPayOnce(t *testing.T) {
	h, _ := testShop(t)
	id, err := h.order(t.Context(), "lamp", 1)
	require.NoError(t, err)
	errs := make(chan error)
	for range 2 {
		go func() { errs <- h.pay(t.Context(), id) }()
	}
	require.ElementsMatch(t, []error{nil, errPaid}, []error{<-errs, <-errs})
	unpaid, sold, err := h.report(t.Context(), companion.Moment{})
	require.NoError(t, err)
	require.Equal(t, []int{0, 40}, []int{unpaid, sold})
}

// What was known on Monday stays what was known on Monday.
func TestReportAsOf(t *testing.T) {
	h, clock := testShop(t)
	id, err := h.order(t.Context(), "lamp", 2)
	require.NoError(t, err)
	monday := clock.Now()
	clock.Advance(24 * time.Hour)
	require.NoError(t, h.pay(t.Context(), id))

	unpaid, sold, err := h.report(t.Context(), companion.Moment{Time: monday})
	require.NoError(t, err)
	require.Equal(t, []int{1, 0}, []int{unpaid, sold})
}

// The price was 38 on Monday, but nobody knew before Tuesday.
func TestCorrection(t *testing.T) {
	h, clock := testShop(t)
	clock.Advance(24 * time.Hour)
	monday := clock.Now()
	clock.Advance(24 * time.Hour)
	require.NoError(t, h.correct(t.Context(), "lamp", 38, monday))

	price := func(m companion.Moment) int {
		r, err := h.prices.GetAt(t.Context(), "lamp", m)
		require.NoError(t, err)
		return r.Value
	}
	require.Equal(t, 38, price(companion.Moment{Valid: monday}))
	require.Equal(t, 40, price(companion.Moment{Valid: monday, Time: monday}))
}

// An order that an earlier release wrote.
func TestOldOrders(t *testing.T) {
	h, _ := testShop(t)
	_, err := h.store.Engine().Write(t.Context(), backend.Fact{Store: "orders", Key: "old", SchemaVersion: 1, Value: json.RawMessage(`{"item":"lamp","count":1,"price":7,"paid":true}`)})
	require.NoError(t, err)
	old, err := h.orders.Get(t.Context(), "old")
	require.NoError(t, err)
	require.Equal(t, "paid", old.Value.State)
}

// The app's code is the same in files.
func TestConfig(t *testing.T) {
	config := filepath.Join(t.TempDir(), "store.yaml")
	require.NoError(t, os.WriteFile(config, []byte("{backend: file, path: "+filepath.ToSlash(filepath.Join(t.TempDir(), "shop.log"))+"}\n"), 0o600))
	for range 2 {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), config, &out))
		require.Contains(t, out.String(), `by {"who":"ana"}: 2 × lamp at 40, paid`)
	}
}
