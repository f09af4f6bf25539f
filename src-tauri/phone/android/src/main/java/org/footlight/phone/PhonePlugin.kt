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

/** The commands of the Rust side, in `src/live_service.rs`. */
@TauriPlugin(permissions = [Permission(strings = [Manifest.permission.POST_NOTIFICATIONS], alias = NOTIFICATIONS)])
class PhonePlugin(private val activity: Activity) : Plugin(activity) {
    @Command
    fun startLiveService(invoke: Invoke) {
        activity.runOnUiThread {
            LiveService.start(activity) { refusal ->
                when {
                    refusal != null -> invoke.reject(refusal)
                    // Asked once. The service runs either way; it is only not seen.
                    notificationsUnasked() ->
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

    private fun notificationsUnasked(): Boolean =
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU &&
            getPermissionState(NOTIFICATIONS) == PermissionState.PROMPT
}
