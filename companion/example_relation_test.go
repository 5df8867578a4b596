// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/igniter-store/igniter/companion"
)

func ExampleNewRelation() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	comments := must(companion.NewRecords[Comment](s, "comments"))
	ofArticle := must(companion.NewRelation(articles, comments, "article"))
	must(articles.Put(ctx, "a1", Article{Title: "Lamp"}))
	must(comments.Put(ctx, "c1", Comment{"a1", "Bright"}))
	moved := must(comments.Put(ctx, "c2", Comment{"a1", "Heavy"}))
	must(comments.Put(ctx, "c2", Comment{"a2", "Heavy"}))
	show := func(m companion.Moment) {
		for c, err := range ofArticle.Many(ctx, "a1", m) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("%s of %s, ", c.Value.Text, must(ofArticle.One(ctx, c, m)).Value.Title)
		}
		fmt.Println("as of seq", m.Seq)
	}
	show(companion.Moment{})
	show(companion.Moment{Seq: moved.Seq})
	// Output:
	// Bright of Lamp, as of seq 0
	// Bright of Lamp, Heavy of Lamp, as of seq 3
}

// A relation is checked when it is declared.
func ExampleRelation() {
	ctx := context.Background()
	s := exampleStore()
	defer s.Close()
	articles := must(companion.NewRecords[Article](s, "articles"))
	comments := must(companion.NewRecords[Comment](s, "comments"))
	_, err := companion.NewRelation(articles, comments, "post")
	fmt.Println(err)

	ofArticle := must(companion.NewRelation(articles, comments, "article"))
	must(comments.Put(ctx, "c1", Comment{"a1", "First!"}))
	orphan := must(comments.Get(ctx, "c1"))
	_, err = ofArticle.One(ctx, orphan, companion.Moment{})
	fmt.Println(errors.Is(err, companion.ErrNotFound))
	for c, err := range ofArticle.Many(ctx, "a1", companion.Moment{}) { // although there is no a1
		fmt.Println(c.Value.Text, err)
	}
	// Output:
	// companion: relation of "comments" to "articles": backend: invalid post: companion_test.Comment has no field "post": its fields are article, text
	// true
	// First! <nil>
}
