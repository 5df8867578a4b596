// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/igniter-store/igniter/companion"
)

// An Order is what a customer wants. The log stores its JSON names: keep them.
type Order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
	Price int    `json:"price"` // of one
	State string `json:"state"` // new, paid or sent
}

// A Payment is an event: it is added and never changed.
type Payment struct {
	Order  string `json:"order"`
	Amount int    `json:"amount"`
}

// A shop has the records, events and views of the app. They are declared once, when the app starts.
type shop struct {
	store    *companion.Store
	prices   *companion.Records[int] // by item
	orders   *companion.Records[Order]
	payments *companion.Events[Payment]
	invoices *companion.Records[string] // by order
	unpaid   *companion.Scope[Order]
	sold     *companion.Fold[int]
}

func open(s *companion.Store) (*shop, error) {
	h := &shop{store: s}
	var err error
	if h.prices, err = companion.NewRecords[int](s, "prices"); err != nil {
		return nil, err
	}
	if h.orders, err = companion.NewRecords[Order](s, "orders"); err != nil {
		return nil, err
	}
	if h.payments, err = companion.NewEvents[Payment](s, "payments"); err != nil {
		return nil, err
	}
	if h.invoices, err = companion.NewRecords[string](s, "invoices"); err != nil {
		return nil, err
	}
	if h.unpaid, err = h.orders.Scope("unpaid", companion.Filter[Order]{Where: map[string]any{"state": "new"}}); err != nil {
		return nil, err
	}
	h.sold = companion.NewFold(h.payments, 0, func(sum int, _, p companion.Record[Payment]) int { return sum + p.Value.Amount })
	if err := h.orders.Upcast(addState); err != nil {
		return nil, err
	}
	if err := h.payments.Retain(10 * 365 * 24 * time.Hour); err != nil {
		return nil, err
	}
	return h, h.payments.Derive("invoice", 1, h.invoice)
}

// order takes an order at the price that is valid now. It fails if the price changes meanwhile.
func (h *shop) order(ctx context.Context, item string, count int) (id string, err error) {
	id = uuid.NewString()
	latest, err := h.prices.Get(ctx, item)
	if err != nil {
		return "", fmt.Errorf("price of %s: %w", item, err)
	}
	price, err := h.prices.GetAt(ctx, item, companion.ValidNow()) // the latest price may be a correction of an older one
	if err != nil {
		return "", fmt.Errorf("price of %s: %w", item, err)
	}
	_, err = h.store.Write(ctx,
		h.prices.Condition(item).IfLatest(latest.ID),
		h.orders.Change(id, Order{Item: item, Count: count, Price: price.Value, State: "new"}).IfNew(),
	)
	return id, err
}

var errPaid = errors.New("the order is paid already")

// pay takes the payment and marks the order, both or neither.
func (h *shop) pay(ctx context.Context, id string) error {
	order, err := h.orders.Get(ctx, id)
	if err != nil {
		return err
	}
	if order.Value.State != "new" {
		return errPaid
	}
	paid := order.Value
	paid.State = "paid"
	_, err = h.store.Write(ctx,
		h.orders.Change(id, paid).IfLatest(order.ID),
		h.payments.Event(Payment{Order: id, Amount: paid.Count * paid.Price}),
	)
	if errors.Is(err, companion.ErrConflict) { // another desk was faster
		return h.pay(ctx, id)
	}
	return err
}

// correct sets a price that is valid from since on. The log still shows what was known before.
func (h *shop) correct(ctx context.Context, item string, price int, since time.Time) error {
	_, err := h.store.Write(ctx, h.prices.Change(item, price).ValidFrom(since))
	return err
}

// report counts unpaid orders and sums up payments, as of a moment.
func (h *shop) report(ctx context.Context, m companion.Moment) (unpaid, sold int, err error) {
	for _, err := range h.unpaid.List(ctx, companion.Query{At: m}) {
		if err != nil {
			return 0, 0, err
		}
		unpaid++
	}
	if m != (companion.Moment{}) { // a fold only has the present
		for p, err := range h.payments.Since(ctx, 0) {
			if err != nil {
				return 0, 0, err
			}
			if !m.Time.IsZero() && p.Time.After(m.Time) || m.Seq > 0 && p.Seq > m.Seq {
				break
			}
			sold += p.Value.Amount
		}
		return unpaid, sold, nil
	}
	err = h.sold.Read(ctx, func(sum int, _ uint64) { sold = sum })
	return unpaid, sold, err
}

// story yields a line for each version of an order, with its seq, writer and value.
func (h *shop) story(ctx context.Context, id string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for v, err := range h.orders.History(ctx, id, companion.Moment{}) {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(fmt.Sprintf("seq %d by %s: %d × %s at %d, %s", v.Seq, v.Producer, v.Value.Count, v.Value.Item, v.Value.Price, v.Value.State), nil) {
				return
			}
		}
	}
}

// invoice is a rule: it derives an invoice from each payment. The invoice's lineage names the payment and the order.
func (h *shop) invoice(ctx context.Context, p companion.Record[Payment]) (companion.Derived, error) {
	order, err := h.orders.Get(ctx, p.Value.Order)
	if err != nil {
		return companion.Derived{}, err
	}
	text := fmt.Sprintf("%d × %s: %d", order.Value.Count, order.Value.Item, p.Value.Amount)
	return companion.Derived{
		Changes: []companion.Change{h.invoices.Change(p.Value.Order, text)},
		From:    []companion.Source{{Store: "orders", ID: order.ID}},
	}, nil
}

// addState converts an order from schema version 1, which had a flag, to version 2. The log keeps the old value.
func addState(value json.RawMessage) (json.RawMessage, error) {
	var old struct {
		Item  string `json:"item"`
		Count int    `json:"count"`
		Price int    `json:"price"`
		Paid  bool   `json:"paid"`
	}
	if err := json.Unmarshal(value, &old); err != nil {
		return nil, err
	}
	state := "new"
	if old.Paid {
		state = "paid"
	}
	return json.Marshal(Order{old.Item, old.Count, old.Price, state})
}
