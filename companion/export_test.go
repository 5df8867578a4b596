// SPDX-License-Identifier: Apache-2.0

package companion

import "reflect"

// CheckType returns why NewRecords and NewEvents refuse a type. A test of many types takes long to compile if it
// makes Records of each.
func CheckType(t reflect.Type) error { return valuesOf(t).err }
