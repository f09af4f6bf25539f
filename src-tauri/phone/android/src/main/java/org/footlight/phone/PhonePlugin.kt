package org.footlight.phone

import android.Manifest
import android.app.Activity
import android.os.Build
import androidx.appcompat.app.AppCompatActivity
import app.tauri.PermissionState
import app.tauri.annotation.Command
import app.tauri.annotation.Permission
import app.tauri.annotation.PermissionCallback
import app.tauri.annotation.TauriPlugin
import app.tauri.plugin.Invoke
import app.tauri.plugin.Plugin

private const val NOTIFICATIONS = "notifications"
private const val LOCAL_NETWORK = "localNetwork"

/** The first version of Android that keeps apps from the local network. */
private const val CINNAMON_BUN = 37

/** What the Rust side asks for, in `src/phone.rs`. */
@TauriPlugin(
    permissions = [
        Permission(strings = [Manifest.permission.POST_NOTIFICATIONS], alias = NOTIFICATIONS),
        Permission(strings = ["android.permission.ACCESS_LOCAL_NETWORK"], alias = LOCAL_NETWORK),
    ],
)
class PhonePlugin(private val activity: Activity) : Plugin(activity) {
    @Command
    fun startLiveService(invoke: Invoke) {
        activity.runOnUiThread {
            LiveService.start(activity) { refusal ->
                when {
                    refusal != null -> invoke.reject(refusal)
                    // Asked once. The service runs either way; it is only not seen.
                    unasked(NOTIFICATIONS, Build.VERSION_CODES.TIRAMISU) ->
                        requestPermissionForAlias(NOTIFICATIONS, invoke, "notificationsAnswered")
                    else -> invoke.resolve()
                }
            }
        }
    }

    /** Shows the notification that could not be shown before. */
    @PermissionCallback
    fun notificationsAnswered(invoke: Invoke) {
        LiveService.start(activity) { refusal ->
            if (refusal == null) invoke.resolve() else invoke.reject(refusal)
        }
    }

    @Command
    fun stopLiveService(invoke: Invoke) {
        activity.runOnUiThread {
            LiveService.stop(activity)
            invoke.resolve()
        }
    }

    /** The page that captures is gone with its activity. */
    override fun onDestroy(activity: AppCompatActivity) {
        LiveService.stop(activity)
    }

    @Command
    fun askForLocalNetwork(invoke: Invoke) {
        if (unasked(LOCAL_NETWORK, CINNAMON_BUN)) {
            requestPermissionForAlias(LOCAL_NETWORK, invoke, "localNetworkAnswered")
        } else {
            invoke.resolve()
        }
    }

    @PermissionCallback
    fun localNetworkAnswered(invoke: Invoke) {
        invoke.resolve()
    }

    /** Whether the person was never asked for a permission that exists since [version]. */
    private fun unasked(alias: String, version: Int): Boolean =
        Build.VERSION.SDK_INT >= version && getPermissionState(alias) == PermissionState.PROMPT
}
