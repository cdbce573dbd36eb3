// Reads an authorisation model as people write it, and writes it as OpenFGA's API takes it.
// tools/offline/peers.sh builds it, with the transformer of OpenFGA itself.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/openfga/language/pkg/go/transformer"
)

func main() {
	dsl, err := io.ReadAll(os.Stdin)
	if err == nil {
		var model string
		if model, err = transformer.TransformDSLToJSON(string(dsl)); err == nil {
			fmt.Println(model)
			return
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
