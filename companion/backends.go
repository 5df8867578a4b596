// SPDX-License-Identifier: Apache-2.0

package companion

import (
	_ "github.com/igniter-store/igniter/backend/file"    // registers the backend
	_ "github.com/igniter-store/igniter/backend/memory"  // registers the backend
	_ "github.com/igniter-store/igniter/backend/network" // registers the backend
)
